"""The shape of answers: the JSON envelope, its schemas, announcements on pages, the busy page."""
