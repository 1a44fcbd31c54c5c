"""Plain texts and subtitles."""
