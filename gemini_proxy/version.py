"""The version, as users, Google and the package metadata see it."""

VERSION = "0.1.0"
