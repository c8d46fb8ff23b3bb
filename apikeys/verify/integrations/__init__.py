"""The check of a key for other Django APIs (docs/django.md). Each integration asks `judge`, which alone decides."""
