"""Helpers of the tests themselves: they bear no name of the product."""
