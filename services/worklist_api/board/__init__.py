"""The worklist as readers see it: filtered, searched, paged and live."""
