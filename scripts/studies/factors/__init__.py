"""Makes and tests the rule that suggests a factor of input rescaling: `python -m scripts.studies.factors`."""
