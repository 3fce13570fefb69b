"""Primitive polynomials over GF(2): Galois shift registers of the greatest period.

Source of the taps: P. Alfke, Xilinx application note XAPP 052 (1996), table 3. That each of them
is primitive is tested, not believed: by stepping through the whole period up to degree 16, by the
order of x in the field for degree 32.
"""

__all__ = ["STATE_BITS", "TAPS", "leap"]

# degree: powers of x below it, without 1, that the carry out of the register is added to
TAPS = {
    4: (3,),
    5: (3,),
    6: (5,),
    7: (6,),
    8: (6, 5, 4),
    9: (5,),
    10: (7,),
    11: (9,),
    12: (6, 4, 1),
    13: (4, 3, 1),
    14: (5, 3, 1),
    15: (14,),
    16: (15, 13, 4),
    32: (22, 2, 1),
}
STATE_BITS = 32  # of the generator: two words of the widest lane are independent


def leap(random_bits: int) -> int:
    """Steps the generator takes a beat: no state bit of a word is in that of the next beat.

    A power of two has no factor in common with the period ``2 ** 32 - 1``, so leaping keeps it.
    """
    return 1 << (random_bits - 1).bit_length()
