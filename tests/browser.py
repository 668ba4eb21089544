"""A headless Chromium over the DevTools protocol: enough to open a page and look at it.

The protocol runs over two pipes (--remote-debugging-pipe): no port, no server, no library.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
TIMEOUT = 60.0
_FLAGS = (
    "--headless",
    "--no-sandbox",  # a container has no user namespaces; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def axe_source() -> str:
    """The script of axe-core, from a package that carries it; "" if it is not installed."""
    spec = find_spec("axe_playwright_python")  # found, not imported: that would want playwright
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return (Path(places[0]) / "axe.min.js").read_text(encoding="utf-8") if places else ""


class Browser:
    """One Chromium; methods of the protocol go out, their answers and events come back."""

    def __init__(self, profile: Path) -> None:
        # Chromium reads commands from file descriptor 3 and writes to 4.
        ours_in, theirs_out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        theirs_in, ours_out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        log = os.open(profile / "chromium.log", os.O_WRONLY | os.O_CREAT, 0o600)
        self._in, self._out, self._buffer, self._number = ours_in, ours_out, b"", 0
        self.events: list[dict[str, Any]] = []
        self._pid = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setpgroup=0,
        )
        for fd in (theirs_in, theirs_out, log):
            os.close(fd)

    def close(self) -> None:
        """End it and all its processes."""
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, session: str = "", **params: Any) -> Any:
        """Call a method; its result. Events that come before are kept in ``events``."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, name: str, session: str) -> None:
        """Wait for an event of a session."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                if event.get("method") == name and event.get("sessionId") == session:
                    return
            seen = len(self.events)
            self.events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            assert ready, f"Chromium said nothing for {TIMEOUT:g} s"
            read = os.read(self._in, 1 << 20)
            assert read, "Chromium has gone"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: int
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.width}px-{self.scheme}"


@dataclass
class Page:
    """An open page and what happened when it was opened."""

    browser: Browser = field(repr=False)
    session: str
    context: int  # our own world beside the page's, which no policy of the page reaches
    requests: list[str]
    scripts: list[str]
    complaints: list[str]

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise, asked from outside the page."""
        found = self.browser.call(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            contextId=self.context,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window; 0 if nothing is to be scrolled sideways."""
        wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        return max(int(self.ask(f"{wide} - document.documentElement.clientWidth")), 0)

    def findings(self, axe: str, impacts: tuple[str, ...] = ("serious", "critical")) -> list[str]:
        """What axe-core finds wrong, of these impacts: rule, and where."""
        self.ask(f"{axe}; 0")
        found = json.loads(
            self.ask(
                "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify("
                "r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 120))])))"
            )
        )
        return [f"{rule} ({impact}): {where}" for impact, rule, where in found if impact in impacts]

    def screenshot(self, target: Path) -> None:
        """The whole page as PNG."""
        taken = self.browser.call(
            "Page.captureScreenshot", self.session, format="png", captureBeyondViewport=True
        )
        target.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def opened(browser: Browser, file: Path, look: Look) -> Iterator[Page]:
    """A file of this disk, opened as ``look`` says; closed again at the end."""
    address = file.resolve().as_uri()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    try:
        for domain in ("Page", "Network", "Runtime", "Log", "Debugger"):
            browser.call(f"{domain}.enable", session)
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            session,
            width=look.width,
            height=900,
            deviceScaleFactor=1,
            mobile=look.width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": look.scheme}
        browser.call("Emulation.setEmulatedMedia", session, features=[scheme])
        browser.events.clear()
        browser.call("Page.navigate", session, url=address)
        browser.wait_for("Page.loadEventFired", session)
        frame = browser.call("Page.getFrameTree", session)["frameTree"]["frame"]["id"]
        happened = [event for event in browser.events if event.get("sessionId") == session]
        world = browser.call("Page.createIsolatedWorld", session, frameId=frame)
        yield Page(browser, session, world["executionContextId"], *_told(happened, address))
    finally:
        browser.call("Target.closeTarget", targetId=target)


def _told(events: list[dict[str, Any]], address: str) -> tuple[list[str], list[str], list[str]]:
    """Requests beside the file itself, scripts that were run, and complaints of the console."""
    requests, scripts, complaints = [], [], []
    for event in events:
        name, what = event["method"], event["params"]
        if name == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if url != address and not url.startswith("data:"):
                requests.append(url)
        elif name == "Debugger.scriptParsed":
            scripts.append(what["url"] or "inline")
        elif name == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            complaints.append(str([part.get("value") for part in what["args"]]))
        elif name == "Runtime.exceptionThrown":
            complaints.append(what["exceptionDetails"]["text"])
        elif name == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            complaints.append(what["entry"]["text"])
    return requests, scripts, complaints


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    found = Browser(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def axe() -> str:
    source = axe_source()
    if not source:
        pytest.skip("axe-core is not installed")
    return source
