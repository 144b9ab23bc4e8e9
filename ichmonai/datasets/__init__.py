"""Datalists, patient-grouped splits and the phantom."""
