"""Schema migrations, forward from every release."""
