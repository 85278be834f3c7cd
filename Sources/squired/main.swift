// The program begins here.
