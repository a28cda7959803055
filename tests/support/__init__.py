"""Builders of events, evidence, proofs and records that several folders of tests share."""
