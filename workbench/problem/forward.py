"""Derivatives by forward differentiation alone, for points where reverse differentiation has none.

Of a choice by condition, `switch(c, a, b)`, reverse differentiation goes back through both sides,
the one not taken with a slope of zero; where that side is infinite, zero times infinity spoils the
whole gradient. Uncensored rows far from the mean of a censored normal are such. Forward
differentiation drops the side not taken, but costs a pass for each parameter, and its square for
second derivatives.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Function = Callable[..., Any]

MOST_PARAMETERS = 200  # beyond, one point would take minutes


def first_order(function: Function) -> Function:
    """theta and further arguments -> (value, gradient)."""

    def derivatives(theta: Any, *others: Any) -> Any:
        return function(theta, *others), jax.jacfwd(function)(theta, *others)

    return derivatives


def second_order(function: Function) -> Function:
    """theta and further arguments -> (value, gradient, Hessian), the Hessian row by row."""

    def derivatives(theta: Any, *others: Any) -> Any:
        def gradient(t: Any) -> Any:
            return jax.jacfwd(function)(t, *others)

        def along(direction: Any) -> Any:
            return jax.jvp(gradient, (theta,), (direction,))[1]

        hessian = jax.lax.map(along, jnp.eye(theta.shape[0]))
        return function(theta, *others), gradient(theta), hessian

    return derivatives


def with_forward(
    reverse: tuple[Function, Function],
    forward: tuple[Function, Function],
    unsupported: tuple[type[Exception], ...],
) -> Function:
    """`reverse`, or `forward` where its value is finite and a derivative is not.

    Either is a function that gives one vector, the value first, and what to make of theta and it.
    An objective that has no forward derivative keeps those it has: `unsupported` is what tracing
    it raises, at the first call.
    """
    (first, finish), (second, finish_second) = reverse, forward

    def derivatives(theta: Any, *others: Any) -> Any:
        found = first(theta, *others)
        sound = np.isfinite(found).all() or not math.isfinite(found[0])
        if sound or len(theta) > MOST_PARAMETERS:
            return finish(theta, found)
        try:
            return finish_second(theta, second(theta, *others))
        except unsupported:
            return finish(theta, found)

    return derivatives
