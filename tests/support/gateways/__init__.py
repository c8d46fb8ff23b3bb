"""Real proxies with the files of docs/gateways, and an API behind them."""
