"""What one tenant's heaviest requests cost another tenant: `python -m fairness`."""
