"""PNG and JPEG files read without decoding them: their rules, and the part of a file that draws the picture.

Only that part ever reaches a decoder. Profiles, texts, thumbnails, further pictures and animations stay outside.
"""
