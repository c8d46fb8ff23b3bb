"""The check of a key for other Django APIs (docs/django.md). Each way in asks `judge`, and nothing else decides."""
