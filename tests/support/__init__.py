"""Builders of events, evidence, proofs and records, and other helpers that several folders of tests share."""
