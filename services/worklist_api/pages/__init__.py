"""Pages for people: server-rendered, no script needed, nothing from other hosts."""
