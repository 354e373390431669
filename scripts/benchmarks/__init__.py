"""Benchmarks: `./scripts/bench`. A module measures one or several sections; `__main__.SECTIONS` lists them."""
