"""The group comparison: values, question, models, tests."""
