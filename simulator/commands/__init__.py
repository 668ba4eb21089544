"""The commands: one function each, which parses nothing and decides no exit code.

``simulator.cli`` registers them. Heavy modules are imported inside the functions, so that
``crashsim --help`` pays for none of them.
"""
