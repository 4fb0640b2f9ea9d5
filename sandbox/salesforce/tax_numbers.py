"""Made-up tax numbers whose check digits are right, so that an ERP which checks them accepts them."""


def _digits(rng, count, first="123456789"):
    return rng.choice(first) + "".join(rng.choice("0123456789") for _digit in range(count - 1))


def _germany(rng):
    body, product = _digits(rng, 8), 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return f"DE{body}{(11 - product) % 10}"


def _united_kingdom(rng):
    while True:
        body = _digits(rng, 7)
        total = sum(int(digit) * weight for digit, weight in zip(body, range(8, 1, -1), strict=True)) + 55
        check = 97 - total % 97
        if check < 97:
            return f"GB{body}{check:02d}"


def _france(rng):
    body = _digits(rng, 8)
    total = sum(sum(divmod(int(digit) * (2 if place % 2 else 1), 10)) for place, digit in enumerate(body))
    siren = int(f"{body}{-total % 10}")
    return f"FR{(12 + 3 * (siren % 97)) % 97:02d}{siren:09d}"


def _belgium(rng):
    body = int(_digits(rng, 7, "23456789"))
    return f"BE0{body:07d}{97 - body % 97:02d}"


def _switzerland(rng):
    while True:
        body = "1" + "".join(rng.choice("0123456789") for _digit in range(7))
        check = -sum(int(digit) * weight for digit, weight in zip(body, (5, 4, 3, 2, 7, 6, 5, 4), strict=True)) % 11
        if check < 10:
            number = f"{body}{check}"
            return f"CHE-{number[:3]}.{number[3:6]}.{number[6:]} MWST"


def _united_states(rng):
    return f"{rng.choice(('20', '26', '27', '45', '46', '47', '81', '82'))}-{_digits(rng, 7)}"


_MAKERS = {"DE": _germany, "GB": _united_kingdom, "FR": _france, "BE": _belgium, "CH": _switzerland,
           "US": _united_states}


def tax_number(country_code, rng):
    """Return a valid looking tax number of the country, from random generator ``rng``."""
    return _MAKERS[country_code](rng)
