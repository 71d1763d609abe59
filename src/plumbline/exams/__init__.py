"""What an exam is: study, series, order, surgical history, recognition, completeness. Pure."""
