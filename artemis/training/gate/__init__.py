"""Whether a challenger may take the champion's place, by rules set before it was trained."""
