"""Who reads, and what they do with a reading: claim it, agree, disagree."""
