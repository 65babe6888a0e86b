"""What a session calls its device until its owner renames it."""

from __future__ import annotations

# The first match wins: Edge also calls itself Chrome, Chrome calls itself Safari, Android calls itself Linux.
_BROWSERS = (
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("firefox", "Firefox"),
    ("fxios", "Firefox"),
    ("crios", "Chrome"),
    ("chrom", "Chrome"),
    ("safari", "Safari"),
)
_PLATFORMS = (
    ("iphone", "iOS"),
    ("ipad", "iPadOS"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("cros", "ChromeOS"),
    ("mac os", "macOS"),
    ("macintosh", "macOS"),
    ("linux", "Linux"),
)


def describe_device(user_agent: str) -> tuple[str, str]:
    """Name and platform. The platform is lower case, "unknown" where nothing tells."""
    folded = user_agent.lower()
    platform = next((name for mark, name in _PLATFORMS if mark in folded), "")
    browser = next((name for mark, name in _BROWSERS if mark in folded), "") or user_agent.split("/")[0].strip()[:60]
    name = f"{browser} on {platform}" if browser and platform else browser or platform or "Unknown device"
    return name, platform.lower() or "unknown"
