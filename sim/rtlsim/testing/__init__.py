"""Parts of a cocotb testbench of streams; :mod:`consilico.testing` is their public name.

Our own testbench (:mod:`consilico.sim.rtlsim.cocotb_testbench`) is made of the same parts.
"""
