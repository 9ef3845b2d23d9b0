"""schema.py - a small checker for our own tables of what replies must look like (schemas/*.json).

Knows type, required, properties, additionalProperties, items, enum, const, minimum, maximum, minLength, minItems,
maxItems, pattern, anyOf and $ref to another file by name. A keyword that it does not know is an error, so a table cannot
pretend to check something."""
import json
import os
import re

KNOWN = {"type", "required", "properties", "additionalProperties", "items", "enum", "const", "minimum", "maximum", "minLength",
         "minItems", "maxItems", "pattern", "anyOf", "$ref", "description"}
_folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas")
_tables = {}


def loads(data):
    """JSON as the strictest client reads it: UTF-8, no duplicate keys, no NaN or Infinity."""

    def pairs(items):
        keys = [k for k, _ in items]
        if len(set(keys)) != len(keys):
            raise ValueError("duplicate keys: %r" % sorted(k for k in keys if keys.count(k) > 1))
        return dict(items)

    def constant(name):
        raise ValueError("%s is no JSON" % name)

    return json.loads(data.decode("utf-8") if isinstance(data, bytes) else data, object_pairs_hook=pairs, parse_constant=constant)


def table(name):
    if name not in _tables:
        with open(os.path.join(_folder, name + ".json")) as f:
            _tables[name] = loads(f.read())
    return _tables[name]


def names():
    return sorted(f[:-5] for f in os.listdir(_folder) if f.endswith(".json"))


def _is(kind, v):
    if kind == "integer":
        return isinstance(v, int) and not isinstance(v, bool)
    if kind == "number":
        return isinstance(v, (int, float)) and not isinstance(v, bool)
    return isinstance(v, {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}[kind])


def _check(s, v, at, out):
    unknown = set(s) - KNOWN
    if unknown:
        raise ValueError("%s: the table has keywords that nobody checks: %r" % (at, unknown))
    if "$ref" in s:
        _check(table(s["$ref"]), v, at, out)
    if "anyOf" in s:
        tries = []
        for one in s["anyOf"]:
            errs = []
            _check(one, v, at, errs)
            tries.append(errs)
        if all(tries):
            out.append("%s: fits no alternative (%s)" % (at, min(tries, key=len)[0]))
    if "type" in s:
        kinds = s["type"] if isinstance(s["type"], list) else [s["type"]]
        if not any(_is(k, v) for k in kinds):
            out.append("%s: got %s, want %s" % (at, json.dumps(v)[:80], " or ".join(kinds)))
            return
    if "const" in s and (v != s["const"] or type(v) is not type(s["const"])):
        out.append("%s: got %s, want %s" % (at, json.dumps(v)[:80], json.dumps(s["const"])))
    if "enum" in s and not any(v == e and type(v) is type(e) for e in s["enum"]):
        out.append("%s: got %s, want one of %s" % (at, json.dumps(v)[:80], json.dumps(s["enum"])))
    if isinstance(v, dict):
        props = s.get("properties", {})
        for k in s.get("required", []):
            if k not in v:
                out.append("%s.%s: missing" % (at, k))
        for k, x in v.items():
            if k in props:
                _check(props[k], x, "%s.%s" % (at, k), out)
            elif s.get("additionalProperties") is False:
                out.append("%s.%s: not in the table" % (at, k))
            elif isinstance(s.get("additionalProperties"), dict):
                _check(s["additionalProperties"], x, "%s.%s" % (at, k), out)
    if isinstance(v, list):
        if len(v) < s.get("minItems", 0) or len(v) > s.get("maxItems", len(v)):
            out.append("%s: %d items" % (at, len(v)))
        for i, x in enumerate(v):
            if "items" in s:
                _check(s["items"], x, "%s[%d]" % (at, i), out)
    if isinstance(v, str):
        if len(v) < s.get("minLength", 0):
            out.append("%s: %r is too short" % (at, v))
        if "pattern" in s and not re.search(s["pattern"], v):
            out.append("%s: %r does not match %s" % (at, v, s["pattern"]))
    if _is("number", v) and (v < s.get("minimum", v) or v > s.get("maximum", v)):
        out.append("%s: %r is out of range" % (at, v))


def errors(name, value):
    """What is wrong with the value; "" if nothing is."""
    out = []
    _check(table(name), value, name, out)
    return "; ".join(out[:5])


def paths(s, v, at=()):
    """Places of a value that the table demands something of: (path to the parent, key) of each required key, and every
    list that must not be empty. What a mutation test removes."""
    if "$ref" in s:
        yield from paths(table(s["$ref"]), v, at)
    for one in s.get("anyOf", []):
        errs = []
        _check(one, v, "", errs)
        if not errs:
            yield from paths(one, v, at)
            break
    if isinstance(v, dict):
        for k in s.get("required", []):
            yield at, k
        for k, sub in s.get("properties", {}).items():
            if k in v:
                yield from paths(sub, v[k], at + (k,))
    if isinstance(v, list) and "items" in s:
        for i, x in enumerate(v[:3]):
            yield from paths(s["items"], x, at + (i,))
