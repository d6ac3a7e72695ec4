"""Truth that comes late: labels find the predictions of their requests, and become outcomes."""
