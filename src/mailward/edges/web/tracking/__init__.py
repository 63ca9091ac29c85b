"""What is served at customers' tracking hosts, and nothing else is: the image, the way on, and the way out.

No page of the dashboard, no operation of the API, no cookie. Whatever a stranger sends here is answered with one of a
handful of fixed answers.
"""
