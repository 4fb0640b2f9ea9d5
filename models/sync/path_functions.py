"""JMESPath's functions over exact numbers: raw records hold ``Decimal``, which ``jmespath`` does not know."""

from decimal import Decimal, InvalidOperation

from jmespath.functions import Functions, signature

from ...connectors import jsontext


class DecimalFunctions(Functions):
    """The functions of the language, none of which makes a float of a number that came exact."""

    def _get_allowed_pytypes(self, types):
        allowed, inner = super()._get_allowed_pytypes(types)
        if "float" in allowed:
            allowed.append("Decimal")
        return allowed, [(*names, "Decimal") if "float" in names else names for names in inner]

    def _convert_to_jmespath_type(self, pyobject):
        return "number" if pyobject == "Decimal" else super()._convert_to_jmespath_type(pyobject)

    @signature({"types": ["array-number"]})
    def _func_avg(self, arg):
        return sum(arg, Decimal()) / len(arg) if arg else None

    @signature({"types": []})
    def _func_to_number(self, arg):
        if isinstance(arg, (list, dict, bool)) or arg is None:
            return None
        try:
            number = Decimal(arg)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None

    @signature({"types": []})
    def _func_to_string(self, arg):
        return arg if isinstance(arg, str) else jsontext.dumps(arg)

    @signature({"types": []})
    def _func_type(self, arg):
        return "number" if isinstance(arg, Decimal) else super()._func_type(arg)


__all__ = ["DecimalFunctions"]
