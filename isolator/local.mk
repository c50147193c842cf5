# isolator
