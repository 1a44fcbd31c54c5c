"""Translate the files that people have: pages, documents, subtitles, catalogues of messages.

A format reads a file into a document: segments to translate, and what stays as it is. The document
takes the translations and gives the bytes of the translated file.
"""
