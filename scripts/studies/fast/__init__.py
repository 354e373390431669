"""A fast student of v2: sizes against quality, and how near one is to its teacher."""
