"""Real proxies with the files of docs/gateways, in front of an API."""
