"""Every URL of the product, who may use it, and the words on its pages."""
