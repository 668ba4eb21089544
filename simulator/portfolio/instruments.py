"""What a ticker, a name and an asset class say about a holding: cash, share, fund or none of these."""

from __future__ import annotations

import re
from typing import Literal

from simulator.portfolio.funds import known_funds

Kind = Literal[
    "", "stock", "fund", "bond fund", "cash", "option", "future", "bond", "cryptocurrency"
]
REFUSED: tuple[Kind, ...] = ("option", "future", "bond", "cryptocurrency")
"""Kinds the model knows nothing of."""

CASH = "CASH"
_CASH_TICKERS = re.compile(
    "CASH|USD|CORE|FCASH|SPAXX|FDRXX|FZFXX|FDLXX|FZDXX|SPRXX|VMFXX|VMRXX|VUSXX|SWVXX|SNVXX|SNSXX|SNAXX|SNOXX"
)
"""Cash and the money-market funds in which brokers keep it."""
_CASH_WORDS = re.compile(
    r"cash\b.*|money market.*|held in money market|usd cash|settlement fund|(uninvested|brokerage) cash",
    re.IGNORECASE,
)
_OPTION_TICKERS = (
    re.compile(r"-?[A-Z.]{1,6} *\d{6,8}[CP]\d+(\.\d+)?", re.ASCII),  # Fidelity, OCC
    re.compile(r"[A-Z./]{1,6} .*\d.* ?\b[CP](ALL|UT)?", re.ASCII),  # Schwab, Interactive Brokers
)
_OPTION_NAME = re.compile(r"(CALL|PUT)\b.*\d.*|.*\d.*\b(CALL|PUT)", re.IGNORECASE)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"money market|\bcash\b|forex", "cash"),
    (r"(bond|fixed income).*(fund|etf)", "bond fund"),
    (r"\bfunds?\b|\betfs?\b|\betps?\b|\betcs?\b", "fund"),
    (r"option|\bopt\b|\bfop\b|warrant|\bwar\b|\bcfds?\b", "option"),
    (r"future|\bfut\b", "future"),
    (r"bond|fixed income|treasur|\bbill\b", "bond"),
    (r"crypto", "cryptocurrency"),
    (r"stock|\bstk\b|equit|share|\badr\b|\breit\b|\bfirm\b", "stock"),
)
_FIRM_NAME = re.compile(
    r"\b(inc|corp|corporation|co|company|com|common stock|plc|ltd|limited|ag|se|nv|n\.v\.|sa|holdings?|adr"
    r"|class [a-c]|cl [a-c])\b",
    re.IGNORECASE,
)
_NO_FIRM_NAME = re.compile(
    r"\b(funds?|etfs?|etns?|etcs?|trust|index|portfolio|bonds?|notes?|treasury|ucits|ishares|vanguard|spdr"
    r"|invesco|proshares|direxion|warrants?|preferred|pfd)\b",
    re.IGNORECASE,
)
_EXCHANGE = re.compile(r"(NASDAQ|NYSE|NYSEARCA|ARCA|AMEX|BATS)[: ]", re.ASCII)
_CLASSES = {"BRKA": "BRK.A", "BRKB": "BRK.B", "BFA": "BF.A", "BFB": "BF.B"}
_ISSUERS = {"GOOG": "GOOGL", "BRK.A": "BRK.B", "BF.A": "BF.B", "FOX": "FOXA", "NWS": "NWSA"}
_ISINS = {
    "NVDA": "US67066G1040",
    "AVGO": "US11135F1012",
    "SMCI": "US86800U3023",
    "ORCL": "US68389X1054",
    "NBIS": "NL0009805522",
    "MSFT": "US5949181045",
    "AMZN": "US0231351067",
    "GOOGL": "US02079K3059",
    "GOOG": "US02079K1079",
    "META": "US30303M1027",
    "AAPL": "US0378331005",
    "TSLA": "US88160R1014",
    "BRK.B": "US0846707026",
}
_BY_ISIN = {isin: ticker for ticker, isin in _ISINS.items()} | {
    fund.isin: fund.ticker for fund in known_funds().values() if fund.isin
}


def ticker_of(text: str) -> str:
    """The ticker of a known ISIN; any other text as it is."""
    return _BY_ISIN.get(text, text)


def share(ticker: str) -> str:
    """One spelling for a share: BRK/B, BRK-B, BRK B and BRKB are BRK.B."""
    text = re.sub(r"[ .:]US$", "", _EXCHANGE.sub("", ticker))
    text = re.sub(r"[/ -](?=[A-Z]$)", ".", text)
    return _CLASSES.get(text, text)


def issuer(ticker: str) -> str:
    """The share that stands for a firm with several classes: GOOGL for GOOG."""
    one_class = share(ticker)
    return _ISSUERS.get(one_class, one_class)


def kind_of(asset_class: str) -> Kind:
    """The kind that a broker's asset class stands for; "" if it says nothing."""
    text = asset_class.lower()
    return next((kind for pattern, kind in _KINDS if re.search(pattern, text)), "")


def is_cash(ticker: str, name: str) -> bool:
    """Whether a ticker or, without one, a name is cash or a money-market fund."""
    text = ticker or name
    return bool(_CASH_TICKERS.fullmatch(ticker) or _CASH_WORDS.fullmatch(text))


def is_option(ticker: str, name: str) -> bool:
    """Whether a ticker or name is that of an option, by the way brokers write them."""
    return any(pattern.fullmatch(ticker) for pattern in _OPTION_TICKERS) or bool(
        _OPTION_NAME.fullmatch(name)
    )


def is_firm(name: str) -> bool:
    """Whether a name is that of a company, by its legal form, and of no fund or bond."""
    return bool(_FIRM_NAME.search(name)) and not _NO_FIRM_NAME.search(name)
