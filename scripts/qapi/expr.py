# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is an expression well formed? Keys, names and shapes; no types yet.

Shorthand is spelled out here: afterwards a member is always
{'type': T, 'if': C, 'features': [...]}, an enum value {'name': N, ...}, a
feature {'name': N, ...}.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Optional

from .parser import Expr
from .source import Loc, QAPIError

# kind: (required keys, optional keys)
KEYS = {
    'enum': (['data'], ['prefix', 'if', 'features']),
    'struct': (['data'], ['base', 'if', 'features']),
    'union': (['base', 'discriminator', 'data'],
              ['if', 'features', 'x-open']),
    'alternate': (['data'], ['if', 'features']),
    'command': ([], ['data', 'returns', 'boxed', 'gen', 'success-response',
                     'allow-oob', 'allow-preconfig', 'coroutine',
                     'x-concurrent', 'x-context', 'if', 'features']),
    'event': ([], ['data', 'boxed', 'if', 'features']),
}
# Booleans that may only say what is not the default.
FLAGS = {'gen': False, 'success-response': False, 'boxed': True,
         'allow-oob': True, 'allow-preconfig': True, 'coroutine': True,
         'x-concurrent': True, 'x-context': True}

NAME = re.compile(r'(x-)?(__[a-z0-9.-]+_)?([a-z][a-z0-9_-]*)$', re.IGNORECASE)
ENUM_VALUE = re.compile(r'(x-)?(__[a-z0-9.-]+_)?[a-z0-9_][a-z0-9_.-]*$',
                        re.IGNORECASE)
TYPE_NAME = re.compile(r'[A-Z][A-Za-z0-9]*$')
COND_SYMBOL = re.compile(r'[A-Z_][A-Z0-9_]*$')


class Checker:
    """Checks and normalizes one expression in place."""

    def __init__(self, expr: Expr):
        self.expr = expr
        self.loc: Loc = expr.loc
        self.kind = self._find_kind()
        self.name = ''

    def _find_kind(self) -> str:
        kinds = [k for k in KEYS if k in self.expr.value]
        if len(kinds) != 1:
            raise QAPIError(self.loc, 'expected one of '
                            + ', '.join(f"'{k}'" for k in KEYS))
        return kinds[0]

    def fail(self, message: str) -> QAPIError:
        """An error at this expression."""
        what = f"{self.kind} '{self.name}': " if self.name else ''
        return QAPIError(self.loc, what + message)

    def run(self) -> None:
        """Check everything."""
        value: Dict[str, Any] = self.expr.value
        if not isinstance(value[self.kind], str):
            raise self.fail(f"value of '{self.kind}' must be a string")
        self.name = value[self.kind]
        self._check_top_name()
        required, optional = KEYS[self.kind]
        self._check_keys(value, required, [self.kind] + optional,
                         'definition')
        self._check_flags(value)
        self._check_common(value, 'definition')
        getattr(self, '_check_' + self.kind)(value)
        self._check_doc()

    def _check_top_name(self) -> None:
        name = self.name
        lists = self.expr.pragma.lists
        if self.kind == 'event':
            if not re.match(r'[A-Z][A-Z0-9_]*$', name):
                raise self.fail('name must be in capitals')
        elif self.kind == 'command':
            if not NAME.match(name) or name != name.lower():
                raise self.fail('name must be in small letters')
            own = NAME.match(name).group(3)  # type: ignore[union-attr]
            if '_' in own and name not in lists['command-name-exceptions']:
                raise self.fail("name must use '-', not '_' (see pragma "
                                'command-name-exceptions)')
        elif not TYPE_NAME.match(name):
            raise self.fail('name must be in CamelCase')
        elif name.endswith('List'):
            raise self.fail("names that end in 'List' are reserved")

    def _check_keys(self, value: Dict[str, Any], required: Iterable[str],
                    allowed: Iterable[str], what: str) -> None:
        required = list(required)
        for key in required:
            if key not in value:
                raise self.fail(f"{what} lacks '{key}'")
        unknown = sorted(set(value) - set(required) - set(allowed))
        if unknown:
            raise self.fail(f"{what} has unknown key '{unknown[0]}'")

    def _check_flags(self, value: Dict[str, Any]) -> None:
        for key, only in FLAGS.items():
            if key in value and value[key] is not only:
                raise self.fail(f"'{key}' may only be "
                                f"{'true' if only else 'false'}")
        if value.get('allow-oob') and value.get('coroutine'):
            raise self.fail("'allow-oob' and 'coroutine' exclude each other")
        if value.get('x-concurrent') and value.get('coroutine'):
            raise self.fail("'x-concurrent' and 'coroutine' exclude each "
                            'other')

    def _check_common(self, value: Dict[str, Any], what: str) -> None:
        if 'if' in value:
            self._check_if(value['if'], what)
        if 'features' in value:
            value['features'] = self._check_features(value['features'])

    def _check_if(self, cond: Any, what: str) -> None:
        if isinstance(cond, str):
            if not COND_SYMBOL.match(cond):
                raise self.fail(f"'if' of {what}: '{cond}' is no "
                                'configuration symbol')
            return
        if not isinstance(cond, dict) or len(cond) != 1:
            raise self.fail(f"'if' of {what} must be a symbol or one of "
                            "'all', 'any', 'not'")
        (operator, operand), = cond.items()
        if operator == 'not':
            self._check_if(operand, what)
        elif operator in ('all', 'any'):
            if not isinstance(operand, list) or not operand:
                raise self.fail(f"'{operator}' of {what} must be a list "
                                'that is not empty')
            for sub in operand:
                self._check_if(sub, what)
        else:
            raise self.fail(f"'if' of {what}: unknown operator "
                            f"'{operator}'")

    def _check_features(self, features: Any) -> List[Dict[str, Any]]:
        if not isinstance(features, list):
            raise self.fail("'features' must be a list")
        result = []
        for feature in features:
            if isinstance(feature, str):
                feature = {'name': feature}
            if not isinstance(feature, dict):
                raise self.fail('a feature must be a string or an object')
            self._check_keys(feature, ['name'], ['if'], 'feature')
            if not NAME.match(str(feature['name'])):
                raise self.fail(f"bad name of a feature: "
                                f"'{feature['name']}'")
            self._check_common(feature, 'feature')
            result.append(feature)
        return result

    def _check_member_name(self, name: str, what: str) -> str:
        """Returns the name without the '*' of optional members."""
        bare = name[1:] if name.startswith('*') else name
        exempt = bare in self.expr.pragma.lists['member-name-exceptions'] \
            or self.name in self.expr.pragma.lists['member-name-exceptions']
        match = NAME.match(bare)
        if not match:
            raise self.fail(f"{what} has a bad name: '{name}'")
        if bare != bare.lower() and not exempt:
            raise self.fail(f"{what} '{bare}' must be in small letters")
        if '_' in match.group(3) and not exempt:
            raise self.fail(f"{what} '{bare}' must use '-', not '_' (see "
                            'pragma member-name-exceptions)')
        folded = bare.replace('-', '_')
        if folded == 'u' or folded.startswith(('has_', 'q_')):
            raise self.fail(f"{what} has a reserved name: '{bare}'")
        return bare

    def _check_type(self, value: Any, what: str, array: bool = True) -> None:
        if isinstance(value, str):
            return
        if array and isinstance(value, list):
            if len(value) != 1 or not isinstance(value[0], str):
                raise self.fail(f'{what}: an array must hold one type name')
            return
        raise self.fail(f'{what} must be the name of a type'
                        + (' or an array' if array else ''))

    def _check_members(self, members: Any, what: str,
                       array: bool = True) -> None:
        if not isinstance(members, dict):
            raise self.fail(f'{what} must be an object')
        seen: Dict[str, str] = {}
        for key, member in members.items():
            bare = self._check_member_name(key, what)
            if bare in seen:
                raise self.fail(f"{what} '{bare}' is declared twice")
            seen[bare] = key
            if isinstance(member, (str, list)):
                member = members[key] = {'type': member}
            if not isinstance(member, dict):
                raise self.fail(f"{what} '{bare}' must be a type or an "
                                'object')
            self._check_keys(member, ['type'], ['if', 'features'],
                             f"member '{bare}'")
            self._check_common(member, f"member '{bare}'")
            self._check_type(member['type'], f"{what} '{bare}'", array)

    def _check_enum(self, value: Dict[str, Any]) -> None:
        prefix = value.get('prefix')
        if prefix is not None and not (isinstance(prefix, str)
                                       and COND_SYMBOL.match(prefix)):
            raise self.fail("'prefix' must be a string in capitals")
        if not isinstance(value['data'], list):
            raise self.fail("'data' must be a list")
        result = []
        for member in value['data']:
            if isinstance(member, str):
                member = {'name': member}
            if not isinstance(member, dict):
                raise self.fail('a value must be a string or an object')
            self._check_keys(member, ['name'], ['if', 'features'], 'value')
            name = member['name']
            if not isinstance(name, str) or not ENUM_VALUE.match(name):
                raise self.fail(f"bad name of a value: '{name}'")
            self._check_common(member, f"value '{name}'")
            result.append(member)
        value['data'] = result

    def _check_struct(self, value: Dict[str, Any]) -> None:
        self._check_members(value['data'], 'member')
        if 'base' in value:
            self._check_type(value['base'], "'base'", array=False)

    def _check_union(self, value: Dict[str, Any]) -> None:
        base = value['base']
        if isinstance(base, dict):
            self._check_members(base, 'base member')
        else:
            self._check_type(base, "'base'", array=False)
        if not isinstance(value['discriminator'], str):
            raise self.fail("'discriminator' must be a string")
        if 'x-open' in value and not (isinstance(value['x-open'], str)
                                      and NAME.match(value['x-open'])):
            raise self.fail("'x-open' must be a name")
        self._check_branches(value['data'])

    def _check_branches(self, branches: Any) -> None:
        if not isinstance(branches, dict):
            raise self.fail("'data' must be an object")
        for key, branch in branches.items():
            if isinstance(branch, (str, list)):
                branch = branches[key] = {'type': branch}
            if not isinstance(branch, dict):
                raise self.fail(f"branch '{key}' must be a type or an "
                                'object')
            if not ENUM_VALUE.match(key):
                raise self.fail(f"branch has a bad name: '{key}'")
            self._check_keys(branch, ['type'], ['if'], f"branch '{key}'")
            self._check_common(branch, f"branch '{key}'")
            self._check_type(branch['type'], f"branch '{key}'",
                             array=self.kind == 'alternate')

    def _check_alternate(self, value: Dict[str, Any]) -> None:
        self._check_branches(value['data'])
        if not value['data']:
            raise self.fail("'data' must not be empty")
        for key in value['data']:
            self._check_member_name(key, 'branch')
            if key.startswith('*'):
                raise self.fail(f"branch '{key}' can't be optional")

    def _check_args(self, value: Dict[str, Any]) -> None:
        data = value.get('data')
        if value.get('boxed'):
            if not isinstance(data, str):
                raise self.fail("'boxed' needs 'data' to be the name of a "
                                'type')
        elif isinstance(data, dict):
            self._check_members(data, 'parameter')
        elif data is not None:
            self._check_type(data, "'data'", array=False)

    def _check_command(self, value: Dict[str, Any]) -> None:
        self._check_args(value)
        if 'returns' in value:
            self._check_type(value['returns'], "'returns'")

    def _check_event(self, value: Dict[str, Any]) -> None:
        self._check_args(value)

    def _own_members(self) -> List[str]:
        """Names that the doc comment has to describe."""
        value: Dict[str, Any] = self.expr.value
        if self.kind == 'enum':
            return [v['name'] for v in value['data']]
        key = 'base' if self.kind == 'union' else 'data'
        members = value.get(key)
        if not isinstance(members, dict):
            return []
        return [m.lstrip('*') for m in members]

    def _member_features(self) -> List[str]:
        value: Dict[str, Any] = self.expr.value
        data = value.get('base' if self.kind == 'union' else 'data')
        members: List[Any] = []
        if isinstance(data, dict):
            members = list(data.values())
        elif isinstance(data, list):
            members = data
        return [f['name'] for m in members for f in m.get('features', [])]

    def _check_doc(self) -> None:
        doc = self.expr.doc
        pragma = self.expr.pragma
        if doc is None:
            if pragma.doc_required:
                raise self.fail('documentation comment is missing')
            return
        if doc.symbol != self.name:
            raise QAPIError(doc.loc, f"documentation of '{doc.symbol}' "
                                     f"stands before '{self.name}'")
        if self.name in pragma.lists['documentation-exceptions']:
            return
        value: Dict[str, Any] = self.expr.value
        features = [f['name'] for f in value.get('features', [])]
        documented: Optional[set] = set(doc.features)
        features += [f for f in set(self._member_features())
                     if documented and f in documented and f not in features]
        doc.check(f"{self.kind} '{self.name}'", self._own_members(),
                  features, self.kind == 'command')


def check_exprs(exprs: List[Expr]) -> List[Checker]:
    """Check all expressions; returns them with their kinds and names."""
    result = []
    for expr in exprs:
        checker = Checker(expr)
        checker.run()
        result.append(checker)
    return result
