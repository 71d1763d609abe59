"""UPS-RS: the Worklist Service of PS3.18 chapter 11."""
