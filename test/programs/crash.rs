// A panic that cannot unwind, and so ends the program by SIGABRT; failure_test.go
// looks at what the launcher says of it.

mod shop {
    pub struct Cart;
    impl Cart {
        #[inline(never)]
        pub fn total(&self, prices: &[u32], i: usize) -> u32 {
            prices[i] + 1
        }
    }
}

#[inline(never)]
extern "C" fn called_from_c(i: usize) -> u32 {
    shop::Cart.total(&[1, 2, 3], i) * 2
}

fn main() {
    let n = std::env::args().count() + 7;
    println!("{}", called_from_c(n));
}
