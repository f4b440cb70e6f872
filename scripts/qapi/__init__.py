# SPDX-License-Identifier: LGPL-2.1-or-later
"""QAPI: from a schema of types, commands and events to C code.

The way of a schema file: lexer -> parser (expressions with their doc
comments) -> expr (are the keys right?) -> schema (types resolved, every rule
checked) -> gen_* (C text, introspection data, reference). Python standard
library only. docs/qapi.md describes the schema language.
"""
