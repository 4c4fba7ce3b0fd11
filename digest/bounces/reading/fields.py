"""Reads blocks of "Name: value" lines, as in RFC 3464 and RFC 5965."""

import re

MAX_BLOCKS = 200

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]?(.*)")
_ADDRESS = re.compile(r"[^\s<>@,;:\"'()\[\]]{1,64}@[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9_])?")
_QUOTED = re.compile(r'"[^"@\n]{1,64}"@[A-Za-z0-9][A-Za-z0-9._-]{0,250}')
_SMTP = re.compile(r"^smtp=", re.IGNORECASE)  # as X.400 addresses name one
_LINE = re.compile(
    r"^(?:>>> rcpt to: ?|<<< 5\d\d |5\d\d )?[ \t>*\"'<-]*", re.MULTILINE
)  # up to an address that it is about
_REFUSED = re.compile(r"(?:<<< ?)?(5\d\d)[ -]")

Block = dict[str, str]  # names in lower case; the first value of a repeated field


def blocks(text: str) -> list[Block]:
    """Return the groups of field lines, separated by empty lines."""
    done: list[Block] = []
    block: Block = {}
    name = ""
    for line in text.splitlines():
        if not line.strip():
            if block:
                done.append(block)
            block, name = {}, ""
            if len(done) >= MAX_BLOCKS:
                return done
        elif line[0] in " \t" and name:
            block[name] = f"{block[name]} {line.strip()}"[:2000]
        elif match := _FIELD.match(line.strip()):
            name = match[1].lower()
            if name in block and name.endswith("-recipient"):  # some leave out the empty line between recipients
                done.append(block)
                block = {}
            block.setdefault(name, match[2].strip()[:2000])
        elif name:
            block[name] = f"{block[name]} {line.strip()}"[:2000]
    return [*done, block] if block else done


def address(value: str) -> str | None:
    """Return the address in a field such as "rfc822; ann@example.org" or "<ann@example.org>"."""
    value = value[:1000].split(";", 1)[-1] if ";" in value[:40] else value[:1000]
    match = _ADDRESS.search(value) or _QUOTED.search(value)
    return _SMTP.sub("", match[0]).strip(".") if match else None


def addresses(text: str) -> list[str]:
    """Return all addresses in a text, in order, without repetition."""
    return list(dict.fromkeys(match[0].strip(".") for match in _ADDRESS.finditer(text)))


def first_address(text: str) -> int:
    """Return the position after the first address, or the end of a text without addresses."""
    match = _ADDRESS.search(text)
    return match.end() if match else len(text)


def about(notice: str, recipient: str, recipients: list[str]) -> str:
    """Return the part of a notice from this address to the next recipient."""
    lower, named = notice.lower(), recipient.lower()
    leading = _leading(lower, (named,))
    start = lower.find(named) if leading is None else leading
    if start < 0:
        return notice[:1500] if len(set(recipients)) < 2 else ""
    line, after = lower.rfind("\n", 0, start) + 1, start + len(named)
    others = tuple(other.lower() for other in recipients if other.lower() != named)
    following = _leading(lower, others, after) if others else None
    end = len(notice) if following is None else lower.rfind("\n", 0, following) + 1
    return notice[line : min(end, line + 1500)]


def _leading(lower: str, names: tuple[str, ...], start: int = 0) -> int | None:
    """Position of the name in the first line that begins with one of them."""
    return next((match.end() for match in _LINE.finditer(lower, start) if lower.startswith(names, match.end())), None)


def refusal(words: str) -> str:
    """Return the first refusal in a transcript of several replies, with its continuation; otherwise the whole text."""
    lines = words.splitlines()
    first = next((number for number, line in enumerate(lines) if _REFUSED.match(line)), None)
    if first is None or not any(_REFUSED.match(line) for line in lines[first + 1 :]):
        return words
    code = _code(lines[first])
    kept = [lines[first]]
    for line in lines[first + 1 : first + 12]:
        if not line.startswith((" ", "\t")) and _code(line) != code:
            break
        kept.append(line)
    return "\n".join([*(line for line in lines[:first] if line.startswith(">>>")), *kept])


def _code(line: str) -> str | None:
    match = _REFUSED.match(line)
    return match[1] if match else None
