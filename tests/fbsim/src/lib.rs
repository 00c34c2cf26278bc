//! fbsim
