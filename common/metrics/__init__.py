"""What operators watch: each process counts in memory, the processes of a server share their counts in a file, and one
text answers a scrape.
"""
