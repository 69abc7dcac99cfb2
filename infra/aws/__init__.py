"""What an account of AWS needs before Seawall can work in it: the standby, and the roles with their policies."""
