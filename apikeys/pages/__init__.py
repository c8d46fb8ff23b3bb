"""What people see: a project's pages, actions on its keys, charts, snippets, forms. It holds no rules."""
