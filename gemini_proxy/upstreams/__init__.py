"""The wire protocols of Google's that can answer: a folder each, blind to its siblings."""
