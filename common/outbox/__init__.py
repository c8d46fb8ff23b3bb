"""Emails that wait to be sent: rows, written with the change that they tell about, and the threads that send them."""
