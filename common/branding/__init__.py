"""The operator's name: what pages, emails and snippets call the product, with its logo, its colour and its links."""
