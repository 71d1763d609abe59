"""Rules of the site that turn findings into a priority with reasons. Pure."""
