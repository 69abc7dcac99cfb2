"""Bubbles: places at a site where the clones of a drill run, and from which nothing else can be reached.

A bubble is a network namespace with only the loopback interface, so what runs inside is cut off by the kernel and not
by configuration. The clones keep the site's own addresses and ports: loopback addresses exist in every namespace.
Everything of a bubble lives in its folder, beside its lease.
"""
