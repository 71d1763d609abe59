"""The worklist and the exams as JSON for our own pages and for others."""
