#include "textflag.h"

// One stub per vector: push what the processor did not (an error code of 0, the
// vector), go to the common entry. Vectors with an error code: SDM vol. 3, table
// 6-1. STUB is 16 bytes so that the table is an array (see stubSize).

#define STUB0(n, entry) \
	PUSHQ $0; \
	PUSHQ $n; \
	JMP entry(SB)

#define STUBE(n, entry) \
	PUSHQ $n; \
	JMP entry(SB)

TEXT vec00<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(0, ·excEntry)
TEXT vec01<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(1, ·debugEntry)
TEXT vec02<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(2, ·nmiEntry)
TEXT vec03<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(3, ·excEntry)
TEXT vec04<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(4, ·excEntry)
TEXT vec05<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(5, ·excEntry)
TEXT vec06<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(6, ·excEntry)
TEXT vec07<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(7, ·excEntry)
TEXT vec08<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(8, ·deadEntry)
TEXT vec09<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(9, ·excEntry)
TEXT vec0a<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(10, ·excEntry)
TEXT vec0b<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(11, ·excEntry)
TEXT vec0c<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(12, ·excEntry)
TEXT vec0d<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(13, ·excEntry)
TEXT vec0e<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(14, ·excEntry)
TEXT vec0f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(15, ·excEntry)
TEXT vec10<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(16, ·excEntry)
TEXT vec11<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(17, ·excEntry)
TEXT vec12<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(18, ·deadEntry)
TEXT vec13<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(19, ·excEntry)
TEXT vec14<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(20, ·excEntry)
TEXT vec15<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(21, ·excEntry)
TEXT vec16<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(22, ·excEntry)
TEXT vec17<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(23, ·excEntry)
TEXT vec18<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(24, ·excEntry)
TEXT vec19<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(25, ·excEntry)
TEXT vec1a<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(26, ·excEntry)
TEXT vec1b<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(27, ·excEntry)
TEXT vec1c<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(28, ·excEntry)
TEXT vec1d<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(29, ·excEntry)
TEXT vec1e<>(SB),NOSPLIT|NOFRAME,$0
	STUBE(30, ·excEntry)
TEXT vec1f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(31, ·excEntry)
TEXT vec30<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(48, ·irqEntry)
TEXT vec31<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(49, ·irqEntry)
TEXT vec32<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(50, ·irqEntry)
TEXT vec33<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(51, ·irqEntry)
TEXT vec34<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(52, ·irqEntry)
TEXT vec35<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(53, ·irqEntry)
TEXT vec36<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(54, ·irqEntry)
TEXT vec37<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(55, ·irqEntry)
TEXT vec38<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(56, ·irqEntry)
TEXT vec39<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(57, ·irqEntry)
TEXT vec3a<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(58, ·irqEntry)
TEXT vec3b<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(59, ·irqEntry)
TEXT vec3c<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(60, ·irqEntry)
TEXT vec3d<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(61, ·irqEntry)
TEXT vec3e<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(62, ·irqEntry)
TEXT vec3f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(63, ·irqEntry)
TEXT vec40<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(64, ·irqEntry)
TEXT vec41<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(65, ·irqEntry)
TEXT vec42<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(66, ·irqEntry)
TEXT vec43<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(67, ·irqEntry)
TEXT vec44<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(68, ·irqEntry)
TEXT vec45<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(69, ·irqEntry)
TEXT vec46<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(70, ·irqEntry)
TEXT vec47<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(71, ·irqEntry)
TEXT vec48<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(72, ·irqEntry)
TEXT vec49<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(73, ·irqEntry)
TEXT vec4a<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(74, ·irqEntry)
TEXT vec4b<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(75, ·irqEntry)
TEXT vec4c<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(76, ·irqEntry)
TEXT vec4d<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(77, ·irqEntry)
TEXT vec4e<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(78, ·irqEntry)
TEXT vec4f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(79, ·irqEntry)
TEXT vec50<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(80, ·irqEntry)
TEXT vec51<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(81, ·irqEntry)
TEXT vec52<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(82, ·irqEntry)
TEXT vec53<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(83, ·irqEntry)
TEXT vec54<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(84, ·irqEntry)
TEXT vec55<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(85, ·irqEntry)
TEXT vec56<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(86, ·irqEntry)
TEXT vec57<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(87, ·irqEntry)
TEXT vec58<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(88, ·irqEntry)
TEXT vec59<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(89, ·irqEntry)
TEXT vec5a<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(90, ·irqEntry)
TEXT vec5b<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(91, ·irqEntry)
TEXT vec5c<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(92, ·irqEntry)
TEXT vec5d<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(93, ·irqEntry)
TEXT vec5e<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(94, ·irqEntry)
TEXT vec5f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(95, ·irqEntry)
TEXT vec60<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(96, ·irqEntry)
TEXT vec61<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(97, ·irqEntry)
TEXT vec62<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(98, ·irqEntry)
TEXT vec63<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(99, ·irqEntry)
TEXT vec64<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(100, ·irqEntry)
TEXT vec65<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(101, ·irqEntry)
TEXT vec66<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(102, ·irqEntry)
TEXT vec67<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(103, ·irqEntry)
TEXT vec68<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(104, ·irqEntry)
TEXT vec69<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(105, ·irqEntry)
TEXT vec6a<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(106, ·irqEntry)
TEXT vec6b<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(107, ·irqEntry)
TEXT vec6c<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(108, ·irqEntry)
TEXT vec6d<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(109, ·irqEntry)
TEXT vec6e<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(110, ·irqEntry)
TEXT vec6f<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(111, ·irqEntry)
TEXT vecef<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(239, ·irqEntry)
TEXT vecf0<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(240, ·irqEntry)
TEXT vecff<>(SB),NOSPLIT|NOFRAME,$0
	STUB0(255, ·irqEntry)

// stubs is the address of each vector's stub, 0 where there is none.
DATA ·stubs+0(SB)/8, $vec00<>(SB)
DATA ·stubs+8(SB)/8, $vec01<>(SB)
DATA ·stubs+16(SB)/8, $vec02<>(SB)
DATA ·stubs+24(SB)/8, $vec03<>(SB)
DATA ·stubs+32(SB)/8, $vec04<>(SB)
DATA ·stubs+40(SB)/8, $vec05<>(SB)
DATA ·stubs+48(SB)/8, $vec06<>(SB)
DATA ·stubs+56(SB)/8, $vec07<>(SB)
DATA ·stubs+64(SB)/8, $vec08<>(SB)
DATA ·stubs+72(SB)/8, $vec09<>(SB)
DATA ·stubs+80(SB)/8, $vec0a<>(SB)
DATA ·stubs+88(SB)/8, $vec0b<>(SB)
DATA ·stubs+96(SB)/8, $vec0c<>(SB)
DATA ·stubs+104(SB)/8, $vec0d<>(SB)
DATA ·stubs+112(SB)/8, $vec0e<>(SB)
DATA ·stubs+120(SB)/8, $vec0f<>(SB)
DATA ·stubs+128(SB)/8, $vec10<>(SB)
DATA ·stubs+136(SB)/8, $vec11<>(SB)
DATA ·stubs+144(SB)/8, $vec12<>(SB)
DATA ·stubs+152(SB)/8, $vec13<>(SB)
DATA ·stubs+160(SB)/8, $vec14<>(SB)
DATA ·stubs+168(SB)/8, $vec15<>(SB)
DATA ·stubs+176(SB)/8, $vec16<>(SB)
DATA ·stubs+184(SB)/8, $vec17<>(SB)
DATA ·stubs+192(SB)/8, $vec18<>(SB)
DATA ·stubs+200(SB)/8, $vec19<>(SB)
DATA ·stubs+208(SB)/8, $vec1a<>(SB)
DATA ·stubs+216(SB)/8, $vec1b<>(SB)
DATA ·stubs+224(SB)/8, $vec1c<>(SB)
DATA ·stubs+232(SB)/8, $vec1d<>(SB)
DATA ·stubs+240(SB)/8, $vec1e<>(SB)
DATA ·stubs+248(SB)/8, $vec1f<>(SB)
DATA ·stubs+384(SB)/8, $vec30<>(SB)
DATA ·stubs+392(SB)/8, $vec31<>(SB)
DATA ·stubs+400(SB)/8, $vec32<>(SB)
DATA ·stubs+408(SB)/8, $vec33<>(SB)
DATA ·stubs+416(SB)/8, $vec34<>(SB)
DATA ·stubs+424(SB)/8, $vec35<>(SB)
DATA ·stubs+432(SB)/8, $vec36<>(SB)
DATA ·stubs+440(SB)/8, $vec37<>(SB)
DATA ·stubs+448(SB)/8, $vec38<>(SB)
DATA ·stubs+456(SB)/8, $vec39<>(SB)
DATA ·stubs+464(SB)/8, $vec3a<>(SB)
DATA ·stubs+472(SB)/8, $vec3b<>(SB)
DATA ·stubs+480(SB)/8, $vec3c<>(SB)
DATA ·stubs+488(SB)/8, $vec3d<>(SB)
DATA ·stubs+496(SB)/8, $vec3e<>(SB)
DATA ·stubs+504(SB)/8, $vec3f<>(SB)
DATA ·stubs+512(SB)/8, $vec40<>(SB)
DATA ·stubs+520(SB)/8, $vec41<>(SB)
DATA ·stubs+528(SB)/8, $vec42<>(SB)
DATA ·stubs+536(SB)/8, $vec43<>(SB)
DATA ·stubs+544(SB)/8, $vec44<>(SB)
DATA ·stubs+552(SB)/8, $vec45<>(SB)
DATA ·stubs+560(SB)/8, $vec46<>(SB)
DATA ·stubs+568(SB)/8, $vec47<>(SB)
DATA ·stubs+576(SB)/8, $vec48<>(SB)
DATA ·stubs+584(SB)/8, $vec49<>(SB)
DATA ·stubs+592(SB)/8, $vec4a<>(SB)
DATA ·stubs+600(SB)/8, $vec4b<>(SB)
DATA ·stubs+608(SB)/8, $vec4c<>(SB)
DATA ·stubs+616(SB)/8, $vec4d<>(SB)
DATA ·stubs+624(SB)/8, $vec4e<>(SB)
DATA ·stubs+632(SB)/8, $vec4f<>(SB)
DATA ·stubs+640(SB)/8, $vec50<>(SB)
DATA ·stubs+648(SB)/8, $vec51<>(SB)
DATA ·stubs+656(SB)/8, $vec52<>(SB)
DATA ·stubs+664(SB)/8, $vec53<>(SB)
DATA ·stubs+672(SB)/8, $vec54<>(SB)
DATA ·stubs+680(SB)/8, $vec55<>(SB)
DATA ·stubs+688(SB)/8, $vec56<>(SB)
DATA ·stubs+696(SB)/8, $vec57<>(SB)
DATA ·stubs+704(SB)/8, $vec58<>(SB)
DATA ·stubs+712(SB)/8, $vec59<>(SB)
DATA ·stubs+720(SB)/8, $vec5a<>(SB)
DATA ·stubs+728(SB)/8, $vec5b<>(SB)
DATA ·stubs+736(SB)/8, $vec5c<>(SB)
DATA ·stubs+744(SB)/8, $vec5d<>(SB)
DATA ·stubs+752(SB)/8, $vec5e<>(SB)
DATA ·stubs+760(SB)/8, $vec5f<>(SB)
DATA ·stubs+768(SB)/8, $vec60<>(SB)
DATA ·stubs+776(SB)/8, $vec61<>(SB)
DATA ·stubs+784(SB)/8, $vec62<>(SB)
DATA ·stubs+792(SB)/8, $vec63<>(SB)
DATA ·stubs+800(SB)/8, $vec64<>(SB)
DATA ·stubs+808(SB)/8, $vec65<>(SB)
DATA ·stubs+816(SB)/8, $vec66<>(SB)
DATA ·stubs+824(SB)/8, $vec67<>(SB)
DATA ·stubs+832(SB)/8, $vec68<>(SB)
DATA ·stubs+840(SB)/8, $vec69<>(SB)
DATA ·stubs+848(SB)/8, $vec6a<>(SB)
DATA ·stubs+856(SB)/8, $vec6b<>(SB)
DATA ·stubs+864(SB)/8, $vec6c<>(SB)
DATA ·stubs+872(SB)/8, $vec6d<>(SB)
DATA ·stubs+880(SB)/8, $vec6e<>(SB)
DATA ·stubs+888(SB)/8, $vec6f<>(SB)
DATA ·stubs+1912(SB)/8, $vecef<>(SB)
DATA ·stubs+1920(SB)/8, $vecf0<>(SB)
DATA ·stubs+2040(SB)/8, $vecff<>(SB)
GLOBL ·stubs(SB), RODATA, $2048
